# ---- the scribe and the way out ----
set(SHIM_DIR ${PROJECT_SOURCE_DIR}/shim)
set(SHIM_OUTBOX_SOURCES ${SHIM_DIR}/outbox.c ${SHIM_DIR}/wire.c ${SHIM_DIR}/spool.c ${SHIM_DIR}/own_fd.c ${SHIM_DIR}/tape.c)

pprof_unit_test(phases pprof_span)
target_sources(test_phases PRIVATE ${SHIM_DIR}/phases.c ${SHIM_DIR}/curl_errors.c)
pprof_unit_test(spool pprof_span)
target_sources(test_spool PRIVATE ${SHIM_DIR}/spool.c ${SHIM_DIR}/own_fd.c)
pprof_unit_test(process_info pprof_span)
target_sources(test_process_info PRIVATE ${SHIM_DIR}/process_info.c)
