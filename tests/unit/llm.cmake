# What the scribe makes of bytes; see shim/llm/.
find_library(CJSON_LIBRARY cjson REQUIRED)
find_library(BROTLIENC_LIBRARY brotlienc REQUIRED)

foreach(module json_scan json_check sse ndjson dialects exchange prompt secret)
  pprof_unit_test(${module} pprof_llm)
endforeach()

# Dialects in files of their own.
foreach(module openai_responses openai_runs)
  pprof_unit_test(${module} pprof_llm)
endforeach()

# Recognition and the readers of single formats.
foreach(module url recognise headers decode eventstream multipart)
  if(EXISTS ${CMAKE_CURRENT_LIST_DIR}/test_${module}.c)
    pprof_unit_test(${module} pprof_llm)
  endif()
endforeach()
target_link_libraries(test_decode PRIVATE ${BROTLIENC_LIBRARY})
# Those that read exchanges: our own fixtures always, the recorded corpus where it is.
target_link_libraries(test_recognise PRIVATE ${CJSON_LIBRARY})
target_sources(test_recognise PRIVATE corpus.c)

pprof_unit_test(corpus pprof_llm ${CJSON_LIBRARY})
target_sources(test_corpus PRIVATE corpus.c corpus_truth.c)
add_test(NAME unit/fixtures COMMAND test_corpus fixtures)
set_tests_properties(unit/fixtures PROPERTIES TIMEOUT 120 LABELS unit)
set_tests_properties(unit/corpus PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 600)

# Dialects beside those of test_dialects.
foreach(module google cohere text_servers shapes delivery bedrock embeddings)
  pprof_unit_test(${module} pprof_llm)
endforeach()
