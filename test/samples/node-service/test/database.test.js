const assert = require('node:assert')
const test = require('node:test')
const { openGuests } = require('../guests.js')

test('guests are kept in their order', async () => {
  const guests = await openGuests(process.env.DATABASE_URL)
  await guests.add('Ada')
  await guests.add('Grace')
  assert.deepEqual(await guests.all(), ['Ada', 'Grace'])
  await guests.close()
})
