def markdown(result): return ""
