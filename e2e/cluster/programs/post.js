// post.js URL JSON: prints what a POST answers.
const [url, body] = process.argv.slice(2)
const headers = { authorization: `Bearer ${process.env.TOKEN}`, 'content-type': 'application/json' }
const response = await fetch(url, { method: 'POST', headers, body })
const text = await response.text()
if (!response.ok) throw new Error(`${url} answered ${response.status}: ${text}`)
process.stdout.write(text)
