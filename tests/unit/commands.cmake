foreach(name arguments display group loss program table when)
  pprof_unit_test(${name} pprof_commands)
endforeach()
