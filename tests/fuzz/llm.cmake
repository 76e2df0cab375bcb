foreach(name json sse exchange)
  pprof_fuzz(${name} pprof_llm)
endforeach()
