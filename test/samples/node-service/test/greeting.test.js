const assert = require('node:assert')
const test = require('node:test')
const { greeting } = require('../greeting.js')

test('greets by name', () => assert.equal(greeting('Ada '), 'Hello, Ada!'))
test('greets strangers', () => assert.equal(greeting(''), 'Hello, stranger!'))
