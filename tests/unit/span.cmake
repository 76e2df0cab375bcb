foreach(name span column block frame sketch span_json format_doc place)
  pprof_unit_test(${name} pprof_span)
endforeach()
