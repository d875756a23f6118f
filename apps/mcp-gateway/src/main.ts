process.stderr.write('mcp-gateway: not written yet\n')
