foreach(name json sse exchange url eventstream multipart decode text_features)
  pprof_fuzz(${name} pprof_llm)
endforeach()
