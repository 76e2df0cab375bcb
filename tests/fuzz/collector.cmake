pprof_fuzz(take pprof_collector)
pprof_fuzz(miner pprof_collector)
