# What the scribe makes of bytes; see shim/llm/.
find_library(CJSON_LIBRARY cjson REQUIRED)
find_library(BROTLIENC_LIBRARY brotlienc REQUIRED)

foreach(module desk json_scan json_check sse ndjson dialects exchange prompt secret stated_names key_shapes)
  pprof_unit_test(${module} pprof_llm)
endforeach()

# What of dialects has more to it than an exchange and its facts.
foreach(module counted facts shapes delivery instructions text_features text_groups word_look sent_texts)
  pprof_unit_test(${module} pprof_llm)
endforeach()

# Recognition and the readers of single formats.
foreach(module url recognise headers decode eventstream multipart)
  if(EXISTS ${CMAKE_CURRENT_LIST_DIR}/test_${module}.c)
    pprof_unit_test(${module} pprof_llm)
  endif()
endforeach()
target_link_options(test_desk PRIVATE -Wl,--wrap=malloc)
target_link_libraries(test_decode PRIVATE ${BROTLIENC_LIBRARY})
# Those that read exchanges: our own fixtures always, the recorded corpus where it is.
target_link_libraries(test_recognise PRIVATE ${CJSON_LIBRARY})
target_sources(test_recognise PRIVATE corpus.c)

pprof_unit_test(corpus pprof_llm ${CJSON_LIBRARY})
target_sources(test_corpus PRIVATE corpus.c corpus_run.c corpus_truth.c)
add_test(NAME unit/fixtures COMMAND test_corpus fixtures)
set_tests_properties(unit/fixtures PROPERTIES TIMEOUT 120 LABELS unit)
set_tests_properties(unit/corpus PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 600)

pprof_unit_test(no_memory_llm pprof_llm ${CJSON_LIBRARY})
target_sources(test_no_memory_llm PRIVATE corpus.c)
target_link_options(test_no_memory_llm PRIVATE ${UNIT_FAILING})

# Kinds of faults, a test each; and the reports that they stand for, where they are.
add_executable(test_kinds test_kinds.c corpus.c corpus_run.c)
target_link_libraries(test_kinds PRIVATE pprof_options pprof_llm ${CJSON_LIBRARY})
target_compile_definitions(test_kinds PRIVATE PPROF_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
file(GLOB kinds CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/fixtures/kinds/*.jsonl)
foreach(kind ${kinds})
  get_filename_component(name ${kind} NAME_WE)
  add_test(NAME unit/kind/${name} COMMAND test_kinds ${kind})
  set_tests_properties(unit/kind/${name} PROPERTIES TIMEOUT 120 LABELS unit)
endforeach()
add_test(NAME unit/reports COMMAND test_kinds reports)
set_tests_properties(unit/reports PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 120 LABELS unit)

# Exchanges of the dialects, a test each file.
add_executable(test_dialect_cases test_dialect_cases.c corpus.c)
target_link_libraries(test_dialect_cases PRIVATE pprof_options pprof_llm ${CMOCKA_LIBRARY} ${CJSON_LIBRARY})
target_compile_definitions(test_dialect_cases PRIVATE PPROF_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
file(GLOB dialects CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/fixtures/dialects/*.txt)
foreach(dialect ${dialects})
  get_filename_component(name ${dialect} NAME_WE)
  add_test(NAME unit/dialect/${name} COMMAND test_dialect_cases ${dialect})
  set_tests_properties(unit/dialect/${name} PROPERTIES TIMEOUT 120 LABELS unit)
endforeach()
# What the collector learns of texts that the scribe saw.
pprof_unit_test(prompt_shape pprof_llm pprof_collector)
