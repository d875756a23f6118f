process.stderr.write('coordinator: not written yet\n')
