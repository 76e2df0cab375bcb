foreach(name merge rollup store)
  pprof_unit_test(${name} pprof_collector)
endforeach()
