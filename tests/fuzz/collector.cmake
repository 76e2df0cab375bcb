pprof_fuzz(take pprof_collector)
