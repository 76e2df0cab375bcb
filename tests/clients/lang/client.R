# R curl: always libcurl's multi interface. All of its own: blocking fetch into memory and to disk, a connection, a streaming callback, and a pool with
# two requests.
library(curl)
args <- commandArgs(trailingOnly = TRUE)
base <- args[1]
bodies <- readLines(args[2])
handle_for <- function(body) {
  h <- new_handle(copypostfields = body)
  handle_setheaders(h, "Content-Type" = "application/json", "Authorization" = "Bearer sk-test-planted-secret")
  h
}
paths <- c("/v1/chat/completions", "/v1/chat/completions", "/v1/messages", "/api/chat")
r <- curl_fetch_memory(paste0(base, paths[1]), handle = handle_for(bodies[1]))
cat(rawToChar(r$content), r$status_code, "\n")
invisible(curl_fetch_stream(paste0(base, paths[2]), function(x) cat(rawToChar(x)), handle = handle_for(bodies[2])))
file <- tempfile()
r <- curl_fetch_disk(paste0(base, paths[1]), file, handle = handle_for(bodies[1]))
cat(readLines(file, warn = FALSE), r$status_code, "\n")
lines <- curl(paste0(base, paths[2]), handle = handle_for(bodies[2]))
cat(readLines(lines), sep = "\n")
close(lines)
results <- list()
pool <- new_pool()
for (i in 3:4) local({
  k <- i
  h <- handle_for(bodies[k])
  curl_fetch_multi(paste0(base, paths[k]), done = function(res) results[[k]] <<- res, pool = pool, handle = h)
})
invisible(multi_run(pool = pool))
for (i in 3:4) cat(rawToChar(results[[i]]$content))
