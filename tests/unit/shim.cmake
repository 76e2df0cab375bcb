# ---- the scribe and the way out ----
set(SHIM_DIR ${PROJECT_SOURCE_DIR}/shim)
set(SHIM_OUTBOX_SOURCES ${SHIM_DIR}/outbox.c ${SHIM_DIR}/outbox_look.c ${SHIM_DIR}/wire.c ${SHIM_DIR}/peer.c ${SHIM_DIR}/spool.c ${SHIM_DIR}/own_fd.c
  ${SHIM_DIR}/tape.c ${SHIM_DIR}/journal.c ${SHIM_DIR}/greeting.c ${SHIM_DIR}/parcels.c ${SHIM_DIR}/spooler.c ${SHIM_DIR}/own_thread.c)

pprof_unit_test(phases pprof_span)
target_sources(test_phases PRIVATE ${SHIM_DIR}/phases.c ${SHIM_DIR}/curl_errors.c)
pprof_unit_test(spool pprof_span)
target_sources(test_spool PRIVATE ${SHIM_DIR}/spool.c ${SHIM_DIR}/own_fd.c)
pprof_unit_test(peer)
target_sources(test_peer PRIVATE ${SHIM_DIR}/peer.c)
pprof_unit_test(process_info pprof_span)
target_sources(test_process_info PRIVATE ${SHIM_DIR}/process_info.c)
pprof_unit_test(outbox pprof_span Threads::Threads)
target_sources(test_outbox PRIVATE ${SHIM_OUTBOX_SOURCES})
pprof_unit_test(outbox_told pprof_span Threads::Threads)
target_sources(test_outbox_told PRIVATE ${SHIM_OUTBOX_SOURCES})
target_link_options(test_outbox PRIVATE -Wl,--wrap=realloc)
pprof_unit_test(no_memory_outbox pprof_span Threads::Threads)
target_sources(test_no_memory_outbox PRIVATE ${SHIM_OUTBOX_SOURCES})
target_link_options(test_no_memory_outbox PRIVATE ${UNIT_FAILING})
# Both sides of the journal: what dies, and who takes it over.
foreach(name journal takeover)
  pprof_unit_test(${name} pprof_collector Threads::Threads)
  target_sources(test_${name} PRIVATE ${SHIM_OUTBOX_SOURCES})
endforeach()
target_link_options(test_journal PRIVATE -Wl,--wrap=pwrite)
pprof_unit_test(mark pprof_collector)
target_sources(test_mark PRIVATE ${SHIM_DIR}/mark.c ${SHIM_DIR}/process_info.c)
target_link_options(test_mark PRIVATE -Wl,--wrap=geteuid,--wrap=fstatat)

# ---- transfers: tape, handles, shadow, hooks ----
pprof_unit_test(tape)
target_sources(test_tape PRIVATE ${PROJECT_SOURCE_DIR}/shim/tape.c)
pprof_unit_test(handles)
target_sources(test_handles PRIVATE ${PROJECT_SOURCE_DIR}/shim/handles.c ${PROJECT_SOURCE_DIR}/shim/tally.c ${PROJECT_SOURCE_DIR}/shim/shadow.c
  ${PROJECT_SOURCE_DIR}/shim/keep.c)
pprof_unit_test(keep Threads::Threads)
target_sources(test_keep PRIVATE ${PROJECT_SOURCE_DIR}/shim/keep.c)
pprof_unit_test(header_lines)
target_sources(test_header_lines PRIVATE ${PROJECT_SOURCE_DIR}/shim/header_lines.c)
pprof_unit_test(shadow)
target_sources(test_shadow PRIVATE ${PROJECT_SOURCE_DIR}/shim/shadow.c ${PROJECT_SOURCE_DIR}/shim/keep.c)
set(SHIM_HOOK_SOURCES ${PROJECT_SOURCE_DIR}/shim/tally.c ${PROJECT_SOURCE_DIR}/shim/tape.c ${PROJECT_SOURCE_DIR}/shim/handles.c
  ${PROJECT_SOURCE_DIR}/shim/shadow.c ${PROJECT_SOURCE_DIR}/shim/keep.c ${PROJECT_SOURCE_DIR}/shim/capture.c ${PROJECT_SOURCE_DIR}/shim/callbacks.c
  ${PROJECT_SOURCE_DIR}/shim/transfer.c ${PROJECT_SOURCE_DIR}/shim/hook_easy.c ${PROJECT_SOURCE_DIR}/shim/hook_multi.c
  ${PROJECT_SOURCE_DIR}/shim/hook_mime.c ${PROJECT_SOURCE_DIR}/shim/header_lines.c)
foreach(name contexts hooks hooks_loss)
  pprof_unit_test(${name} curl)
  target_sources(test_${name} PRIVATE ${SHIM_HOOK_SOURCES})
endforeach()

# The tape again under ThreadSanitizer, which does not go together with AddressSanitizer: compiled apart from the build's flags.
set(TAPE_TSAN ${CMAKE_CURRENT_BINARY_DIR}/test_tape_tsan)
add_custom_command(OUTPUT ${TAPE_TSAN}
  COMMAND ${CMAKE_C_COMPILER} -std=gnu17 -D_GNU_SOURCE -O1 -g -fsanitize=thread -o ${TAPE_TSAN}
    ${CMAKE_CURRENT_SOURCE_DIR}/test_tape.c ${PROJECT_SOURCE_DIR}/shim/tape.c ${CMOCKA_LIBRARY} -pthread
  DEPENDS test_tape.c ${PROJECT_SOURCE_DIR}/shim/tape.c ${PROJECT_SOURCE_DIR}/shim/tape.h VERBATIM)
add_custom_target(tape_tsan_binary ALL DEPENDS ${TAPE_TSAN})
add_test(NAME unit/tape_tsan COMMAND ${TAPE_TSAN})
set_tests_properties(unit/tape_tsan PROPERTIES TIMEOUT 120 LABELS unit)
pprof_unit_test(scribe pprof_span Threads::Threads)
set(SHIM_SCRIBE_SOURCES ${SHIM_OUTBOX_SOURCES} ${SHIM_DIR}/scribe.c ${SHIM_DIR}/ending.c ${SHIM_DIR}/flights.c ${SHIM_DIR}/phases.c
    ${SHIM_DIR}/curl_errors.c ${SHIM_DIR}/process_info.c ${SHIM_DIR}/snapshots.c ${SHIM_DIR}/tally.c ${SHIM_DIR}/where.c ${SHIM_DIR}/last_word.c ${SHIM_DIR}/mark.c
    ${SHIM_DIR}/beginning.c ${SHIM_DIR}/header_lines.c)
target_sources(test_scribe PRIVATE ${SHIM_SCRIBE_SOURCES})
target_link_options(test_scribe PRIVATE -Wl,--wrap=syscall)
pprof_unit_test(scribe_denied pprof_span Threads::Threads)
target_sources(test_scribe_denied PRIVATE ${SHIM_SCRIBE_SOURCES})
pprof_unit_test(no_memory_scribe pprof_span Threads::Threads)
target_sources(test_no_memory_scribe PRIVATE ${SHIM_SCRIBE_SOURCES})
target_link_options(test_no_memory_scribe PRIVATE ${UNIT_FAILING})

# The scribe again under ThreadSanitizer, compiled apart like the tape.
set(SCRIBE_TSAN ${CMAKE_CURRENT_BINARY_DIR}/test_scribe_tsan)
file(GLOB SCRIBE_TSAN_SPAN ${PROJECT_SOURCE_DIR}/span/*.c)
add_custom_command(OUTPUT ${SCRIBE_TSAN}
  COMMAND ${CMAKE_C_COMPILER} -std=gnu17 -D_GNU_SOURCE -DPPROF_VERSION="0" -O1 -g -fsanitize=thread -I${PROJECT_SOURCE_DIR}
    -o ${SCRIBE_TSAN} ${CMAKE_CURRENT_SOURCE_DIR}/test_scribe.c ${SHIM_SCRIBE_SOURCES} ${SCRIBE_TSAN_SPAN} ${CMOCKA_LIBRARY}
    -lzstd -lsodium -pthread -lm -Wl,--wrap=syscall
  DEPENDS test_scribe.c scribe_child.h ${SHIM_SCRIBE_SOURCES} ${SCRIBE_TSAN_SPAN} VERBATIM)
add_custom_target(scribe_tsan_binary ALL DEPENDS ${SCRIBE_TSAN})
add_test(NAME unit/scribe_tsan COMMAND ${SCRIBE_TSAN})
set_tests_properties(unit/scribe_tsan PROPERTIES TIMEOUT 120 LABELS unit ENVIRONMENT TSAN_OPTIONS=die_after_fork=0)

# ---- getting into the process ----
pprof_unit_test(elf_lookup ${CMAKE_DL_LIBS})
target_sources(test_elf_lookup PRIVATE ${PROJECT_SOURCE_DIR}/shim/elf_lookup.c)
pprof_unit_test(config pprof_llm)
target_sources(test_config PRIVATE ${PROJECT_SOURCE_DIR}/shim/config.c ${PROJECT_SOURCE_DIR}/shim/say.c)
pprof_unit_test(mime curl)
target_sources(test_mime PRIVATE ${SHIM_DIR}/hook_mime.c ${SHIM_DIR}/handles.c ${SHIM_DIR}/tally.c ${SHIM_DIR}/shadow.c ${SHIM_DIR}/keep.c
  ${SHIM_DIR}/llm/multipart.c)
