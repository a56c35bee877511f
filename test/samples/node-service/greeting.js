exports.greeting = (name) => `Hello, ${name.trim() || 'stranger'}!`
