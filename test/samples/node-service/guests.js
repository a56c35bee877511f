const { Client } = require('pg')

/** The guest book in PostgreSQL. */
exports.openGuests = async (connectionString) => {
  const client = new Client({ connectionString })
  await client.connect()
  return {
    migrate: () => client.query('CREATE TABLE IF NOT EXISTS guests (id serial PRIMARY KEY, name text NOT NULL)'),
    add: (name) => client.query('INSERT INTO guests (name) VALUES ($1)', [name]),
    all: async () => (await client.query('SELECT name FROM guests ORDER BY id')).rows.map(({ name }) => name),
    close: () => client.end(),
  }
}
