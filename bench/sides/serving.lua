-- Posts the file BODY, with the key KEY if there is one; prints what was measured as JSON.
local file = io.open(os.getenv("BODY"), "rb")
wrk.method, wrk.body = "POST", file:read("*a")
wrk.headers["content-type"] = "application/json"
if os.getenv("KEY") ~= "" then wrk.headers["authorization"] = "Bearer " .. os.getenv("KEY") end

function done(summary, latency)
  local e = summary.errors
  print(string.format('{"requests": %d, "seconds": %.6f, "p99": %.3f, "failed": %d}', summary.requests,
    summary.duration / 1e6, latency:percentile(99) / 1e3, e.connect + e.read + e.write + e.status + e.timeout))
end
