# What `cmake --install build/release --prefix X` puts where; pprofctl finds the library relative to itself. collector/commands installs its own
# pages and completion.
include(GNUInstallDirs)
install(TARGETS pprof LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS pprofd RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
