const http = require('node:http')
const { greeting } = require('./greeting.js')
const { openGuests } = require('./guests.js')

const answer = async (guests, url) => {
  const name = url.searchParams.get('name')
  if (name) await guests.add(name)
  return [greeting(name ?? ''), ...(await guests.all())].join('\n')
}

openGuests(process.env.DATABASE_URL).then((guests) =>
  http
    .createServer((request, response) =>
      answer(guests, new URL(request.url, 'http://localhost')).then(
        (text) => response.end(text),
        (error) => response.writeHead(500).end(error.message),
      ),
    )
    .listen(8080),
)
