# ---- the scribe and the way out ----
set(SHIM_DIR ${PROJECT_SOURCE_DIR}/shim)
set(SHIM_OUTBOX_SOURCES ${SHIM_DIR}/outbox/outbox.c ${SHIM_DIR}/outbox/outbox_look.c ${SHIM_DIR}/outbox/wire.c ${SHIM_DIR}/outbox/peer.c ${SHIM_DIR}/outbox/spool.c ${SHIM_DIR}/base/own_fd.c
  ${SHIM_DIR}/tape/tape.c ${SHIM_DIR}/outbox/journal.c ${SHIM_DIR}/outbox/greeting.c ${SHIM_DIR}/outbox/parcels.c ${SHIM_DIR}/outbox/spooler.c ${SHIM_DIR}/base/own_thread.c)

pprof_unit_test(phases pprof_span)
target_sources(test_phases PRIVATE ${SHIM_DIR}/tap/curl/phases.c ${SHIM_DIR}/tap/curl/curl_errors.c)
pprof_unit_test(spool pprof_span)
target_sources(test_spool PRIVATE ${SHIM_DIR}/outbox/spool.c ${SHIM_DIR}/base/own_fd.c)
pprof_unit_test(peer)
target_sources(test_peer PRIVATE ${SHIM_DIR}/outbox/peer.c)
pprof_unit_test(process_info pprof_span)
target_sources(test_process_info PRIVATE ${SHIM_DIR}/base/process_info.c)
pprof_unit_test(outbox pprof_span Threads::Threads)
target_sources(test_outbox PRIVATE ${SHIM_OUTBOX_SOURCES})
pprof_unit_test(outbox_told pprof_span Threads::Threads)
target_sources(test_outbox_told PRIVATE ${SHIM_OUTBOX_SOURCES})
target_link_options(test_outbox PRIVATE -Wl,--wrap=realloc)
pprof_unit_test(no_memory_outbox pprof_span Threads::Threads)
target_sources(test_no_memory_outbox PRIVATE ${SHIM_OUTBOX_SOURCES})
target_link_options(test_no_memory_outbox PRIVATE ${UNIT_FAILING})
# Both sides of the journal: what dies, and who takes it over.
foreach(name journal journal_steps takeover)
  pprof_unit_test(${name} pprof_collector Threads::Threads)
  target_sources(test_${name} PRIVATE ${SHIM_OUTBOX_SOURCES})
endforeach()
target_link_options(test_journal PRIVATE -Wl,--wrap=pwrite)
target_link_options(test_journal_steps PRIVATE -Wl,--wrap=fallocate)
pprof_unit_test(mark pprof_collector)
target_sources(test_mark PRIVATE ${SHIM_DIR}/scribe/mark.c ${SHIM_DIR}/base/process_info.c)
target_link_options(test_mark PRIVATE -Wl,--wrap=geteuid,--wrap=fstatat)

# ---- transfers: tape, handles, shadow, hooks ----
pprof_unit_test(tape)
target_sources(test_tape PRIVATE ${SHIM_DIR}/tape/tape.c)
pprof_unit_test(handles)
target_sources(test_handles PRIVATE ${SHIM_DIR}/tap/curl/handles.c ${SHIM_DIR}/tape/tally.c ${SHIM_DIR}/tap/curl/shadow.c
  ${SHIM_DIR}/tap/curl/keep.c)
pprof_unit_test(keep Threads::Threads)
target_sources(test_keep PRIVATE ${SHIM_DIR}/tap/curl/keep.c)
pprof_unit_test(header_lines)
target_sources(test_header_lines PRIVATE ${SHIM_DIR}/llm/header_lines.c ${SHIM_DIR}/scribe/beginning.c)
pprof_unit_test(shadow)
target_sources(test_shadow PRIVATE ${SHIM_DIR}/tap/curl/shadow.c ${SHIM_DIR}/tap/curl/keep.c)
set(SHIM_HOOK_SOURCES ${SHIM_DIR}/tape/tally.c ${SHIM_DIR}/tape/tape.c ${SHIM_DIR}/tap/curl/handles.c
  ${SHIM_DIR}/tap/curl/shadow.c ${SHIM_DIR}/tap/curl/keep.c ${SHIM_DIR}/tap/curl/capture.c ${SHIM_DIR}/tap/curl/callbacks.c
  ${SHIM_DIR}/tap/curl/transfer.c ${SHIM_DIR}/tap/curl/transfer_headers.c ${SHIM_DIR}/tap/curl/hook_easy.c ${SHIM_DIR}/tap/curl/hook_multi.c
  ${SHIM_DIR}/tap/curl/hook_mime.c ${SHIM_DIR}/llm/header_lines.c)
foreach(name contexts hooks hooks_loss)
  pprof_unit_test(${name} curl)
  target_sources(test_${name} PRIVATE ${SHIM_HOOK_SOURCES})
endforeach()

# The tape again under ThreadSanitizer, which does not go together with AddressSanitizer: compiled apart from the build's flags.
set(TAPE_TSAN ${CMAKE_CURRENT_BINARY_DIR}/test_tape_tsan)
add_custom_command(OUTPUT ${TAPE_TSAN}
  COMMAND ${CMAKE_C_COMPILER} -std=gnu17 -D_GNU_SOURCE -O1 -g -fsanitize=thread -I${PROJECT_SOURCE_DIR} -o ${TAPE_TSAN}
    ${CMAKE_CURRENT_SOURCE_DIR}/test_tape.c ${SHIM_DIR}/tape/tape.c ${CMOCKA_LIBRARY} -pthread
  DEPENDS test_tape.c ${SHIM_DIR}/tape/tape.c ${SHIM_DIR}/tape/tape.h VERBATIM)
add_custom_target(tape_tsan_binary ALL DEPENDS ${TAPE_TSAN})
add_test(NAME unit/tape_tsan COMMAND ${TAPE_TSAN})
set_tests_properties(unit/tape_tsan PROPERTIES TIMEOUT 600 LABELS unit)
pprof_unit_test(scribe pprof_span Threads::Threads)
set(SHIM_SCRIBE_SOURCES ${SHIM_OUTBOX_SOURCES} ${SHIM_DIR}/scribe/scribe.c ${SHIM_DIR}/scribe/ending.c ${SHIM_DIR}/taps.c ${SHIM_DIR}/scribe/flights.c ${SHIM_DIR}/tap/curl/phases.c
    ${SHIM_DIR}/tap/curl/curl_errors.c ${SHIM_DIR}/base/process_info.c ${SHIM_DIR}/scribe/snapshots.c ${SHIM_DIR}/tape/tally.c ${SHIM_DIR}/outbox/where.c ${SHIM_DIR}/scribe/last_word.c ${SHIM_DIR}/scribe/mark.c
    ${SHIM_DIR}/scribe/beginning.c ${SHIM_DIR}/llm/header_lines.c)
target_sources(test_scribe PRIVATE ${SHIM_SCRIBE_SOURCES})
target_link_options(test_scribe PRIVATE -Wl,--wrap=syscall)
pprof_unit_test(scribe_denied pprof_span Threads::Threads)
target_sources(test_scribe_denied PRIVATE ${SHIM_SCRIBE_SOURCES})
pprof_unit_test(no_memory_scribe pprof_span Threads::Threads)
target_sources(test_no_memory_scribe PRIVATE ${SHIM_SCRIBE_SOURCES})
target_link_options(test_no_memory_scribe PRIVATE ${UNIT_FAILING})

# The scribe again, compiled apart like the tape: under ThreadSanitizer, and without any sanitizer for what their allocators
# cannot bear (a fork while another thread allocates, after which the child goes on).
file(GLOB SCRIBE_SPAN ${PROJECT_SOURCE_DIR}/span/*.c)
foreach(name tsan plain)
  set(binary ${CMAKE_CURRENT_BINARY_DIR}/test_scribe_${name})
  set(sanitize $<$<STREQUAL:${name},tsan>:-fsanitize=thread>)
  add_custom_command(OUTPUT ${binary}
    COMMAND ${CMAKE_C_COMPILER} -std=gnu17 -D_GNU_SOURCE -DPPROF_VERSION="0" -O1 -g ${sanitize} -I${PROJECT_SOURCE_DIR}
      -o ${binary} ${CMAKE_CURRENT_SOURCE_DIR}/test_scribe.c ${SHIM_SCRIBE_SOURCES} ${SCRIBE_SPAN} ${CMOCKA_LIBRARY}
      -lzstd -lsodium -pthread -lm -Wl,--wrap=syscall
    DEPENDS test_scribe.c scribe_child.h ${SHIM_SCRIBE_SOURCES} ${SCRIBE_SPAN} VERBATIM COMMAND_EXPAND_LISTS)
  add_custom_target(scribe_${name}_binary ALL DEPENDS ${binary})
  add_test(NAME unit/scribe_${name} COMMAND ${binary})
  set_tests_properties(unit/scribe_${name} PROPERTIES TIMEOUT 600 LABELS unit)
endforeach()
set_tests_properties(unit/scribe_tsan PROPERTIES ENVIRONMENT TSAN_OPTIONS=die_after_fork=0)

# ---- getting into the process ----
pprof_unit_test(elf_lookup ${CMAKE_DL_LIBS})
target_sources(test_elf_lookup PRIVATE ${SHIM_DIR}/loader/elf_lookup.c)
target_link_options(test_elf_lookup PRIVATE -Wl,--wrap=dl_iterate_phdr,--wrap=getauxval)
pprof_unit_test(config pprof_llm)
target_sources(test_config PRIVATE ${SHIM_DIR}/base/config.c ${SHIM_DIR}/base/say.c)
pprof_unit_test(mime curl)
target_sources(test_mime PRIVATE ${SHIM_DIR}/tap/curl/hook_mime.c ${SHIM_DIR}/tap/curl/handles.c ${SHIM_DIR}/tape/tally.c ${SHIM_DIR}/tap/curl/shadow.c ${SHIM_DIR}/tap/curl/keep.c
  ${SHIM_DIR}/llm/framing/multipart.c)
