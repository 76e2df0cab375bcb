foreach(name arguments display files_named group loss program table when)
  pprof_unit_test(${name} pprof_commands)
endforeach()
