// get.js URL: prints what a GET answers.
const [url] = process.argv.slice(2)
const response = await fetch(url, { headers: { authorization: `Bearer ${process.env.TOKEN}` } })
const text = await response.text()
if (!response.ok) throw new Error(`${url} answered ${response.status}: ${text}`)
process.stdout.write(text)
