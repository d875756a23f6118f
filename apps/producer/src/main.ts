process.stderr.write('producer: not written yet\n')
