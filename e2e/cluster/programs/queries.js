// queries.js URL EXPRESSION...: what Prometheus says to each: how many samples it has that are numbers, or why there is no answer.
const [url, ...expressions] = process.argv.slice(2)
const samples = async (query) => {
  const response = await fetch(`${url}/api/v1/query?${new URLSearchParams({ query })}`)
  const { error, data } = await response.json()
  return error ?? data.result.filter(({ value }) => value[1] !== 'NaN').length
}
process.stdout.write(JSON.stringify(await Promise.all(expressions.map(samples))))
