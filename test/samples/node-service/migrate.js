const { openGuests } = require('./guests.js')

openGuests(process.env.DATABASE_URL)
  .then((guests) => guests.migrate().then(() => guests.close()))
  .then(() => console.log('migrated'))
