# What the scribe makes of bytes; see shim/llm/.
find_library(CJSON_LIBRARY cjson REQUIRED)

foreach(module json_scan json_check sse ndjson dialects exchange prompt)
  pprof_unit_test(${module} pprof_llm)
endforeach()

pprof_unit_test(corpus pprof_llm ${CJSON_LIBRARY})
target_sources(test_corpus PRIVATE corpus_truth.c)
set_tests_properties(unit/corpus PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 600)

pprof_unit_test(url pprof_llm)
pprof_unit_test(recognise pprof_llm ${CJSON_LIBRARY})
