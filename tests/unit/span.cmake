foreach(name span column block frame predicted sketch span_json format_doc place install_key)
  pprof_unit_test(${name} pprof_span)
endforeach()
