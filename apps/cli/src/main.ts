process.stderr.write('cli: not written yet\n')
