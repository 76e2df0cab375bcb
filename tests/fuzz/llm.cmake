foreach(name json sse exchange url eventstream multipart decode)
  pprof_fuzz(${name} pprof_llm)
endforeach()
