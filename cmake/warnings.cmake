# Warnings are errors; every target of ours links pprof_options.
add_library(pprof_options INTERFACE)
target_compile_options(pprof_options INTERFACE
  $<$<COMPILE_LANGUAGE:C>:-Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith
    -Wcast-qual -Wwrite-strings -Wundef -Wvla -Werror>)
target_include_directories(pprof_options INTERFACE ${PROJECT_SOURCE_DIR}) # files of other rooms are named from here
target_compile_definitions(pprof_options INTERFACE _GNU_SOURCE PPROF_VERSION="${PROJECT_VERSION}")
if(PPROF_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()
# Fuzzers are led by what of the code under test an input reaches, and by the texts that it compares; calls at each comparison of numbers
# would take more than half of the time.
if(PPROF_FUZZ)
  set(PPROF_FUZZ_COVERAGE -fno-sanitize-coverage=trace-cmp)
  add_compile_options(-fsanitize=fuzzer-no-link ${PPROF_FUZZ_COVERAGE})
  add_link_options(-fsanitize=fuzzer-no-link)
endif()
