# TclCurl: a Tcl extension, loaded RTLD_LOCAL, GnuTLS flavour on Debian. Default output, a callback,
# a variable. (Its multi interface dies by itself in Debian 12.)
package require TclCurl
fconfigure stdout -translation binary -buffering none
lassign $argv base file
set in [open $file]
fconfigure $in -translation binary
set bodies [lrange [split [read $in] \n] 0 3]
set paths {/v1/chat/completions /v1/chat/completions /v1/messages /api/chat}
proc show {data} { puts -nonewline $data }
proc handle {i args} {
    global base bodies paths
    set h [curl::init]
    $h configure -url $base[lindex $paths $i] -post 1 -postfields [lindex $bodies $i] \
        -httpheader [list {Content-Type: application/json} {Authorization: Bearer sk-test-planted-secret}] {*}$args
    return $h
}
set h [handle 0]
puts [$h perform]
$h cleanup
set h [handle 1 -writeproc show]
puts "[$h perform] [$h getinfo responsecode]"
$h cleanup
set h [handle 2 -bodyvar body]
puts [$h perform]
puts -nonewline $body
$h cleanup
set h [handle 3 -writeproc show]
puts [$h perform]
$h cleanup
