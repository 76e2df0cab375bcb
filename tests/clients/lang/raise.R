# An error in a streaming callback of R curl; the next request works.
library(curl)
args <- commandArgs(trailingOnly = TRUE)
url <- paste0(args[1], "/v1/chat/completions")
body <- readLines(args[2])[1]
message <- tryCatch(curl_fetch_stream(url, function(x) stop("no"), handle = new_handle(copypostfields = body)), error = conditionMessage)
cat(message, "\n")
cat(rawToChar(curl_fetch_memory(url, handle = new_handle(copypostfields = body))$content), "\n")
