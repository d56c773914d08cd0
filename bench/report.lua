-- SPDX-License-Identifier: MIT
-- wrk's numbers as one line of JSON. Arguments after `--`: `upload BYTES` makes every request a POST with a body of that size.
function init(args)
    if args[1] == "upload" then
        wrk.method = "POST"
        wrk.body = string.rep("x", tonumber(args[2]))
    end
end

function done(summary, latency)
    local e = summary.errors
    io.write(string.format(
        '\nBENCH {"requests": %d, "seconds": %.3f, "p50_us": %.0f, "p99_us": %.0f, "errors": %d}\n',
        summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
        e.connect + e.read + e.write + e.status + e.timeout))
end
