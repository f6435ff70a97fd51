-- Of scripts that run for each call and have little to do: to compile them costs more than it saves, as most of what they call can't be
-- compiled, and what they leave behind may lie a little longer. Measured together: 4 % of a call.
if jit then jit.off() end
collectgarbage("setpause", 400)
