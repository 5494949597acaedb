// node-redis (the `redis` package) doing what people do with bitmaps, over RESP2 and RESP3, checked against plain Sets.
//
//   node node_redis.js HOST PORT        (the server's data is flushed)

const { RESP_TYPES, createClient } = require('redis')
const { address, assert, difference, intersection, members, runJobs, sameSet, source, union, visitors } = require('./jobs')

const { host, port } = address()

async function connect(RESP) {
  const client = createClient({ socket: { host, port, reconnectStrategy: false }, RESP })
  client.on('error', () => {}) // a failed command rejects its own promise
  await client.connect()
  return client
}

/** The bytes of a key's value. */
function bytes(client, key) {
  return client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer }).get(key)
}

async function activeUsers(client) {
  const days = visitors(21, 14, 5000, 0.1)
  // Commands of one tick leave in one write: the client pipelines by itself.
  await Promise.all(days.flatMap((day, number) => [...day].map((user) => client.setBit(`active:${number}`, user, 1))))
  for (const week of [0, 7]) {
    const keys = days.slice(week, week + 7).map((_, at) => `active:${week + at}`)
    const [, expires, count] = await client.multi().bitOp('OR', 'tmp:week', keys).expire('tmp:week', 30).bitCount('tmp:week').exec()
    const expected = union(days.slice(week, week + 7))
    assert.deepEqual([Number(expires), count], [1, expected.size])
    sameSet(members(await bytes(client, 'tmp:week')), expected)
  }
}

async function retention(client) {
  const signups = visitors(22, 5, 4000, 0.06)
  const active = visitors(23, 10, 4000, 0.3)
  const mark = (prefix, days) => days.flatMap((day, number) => [...day].map((user) => client.setBit(`${prefix}:${number}`, user, 1)))
  await Promise.all([...mark('signup', signups), ...mark('back', active)])
  const table = client.multi()
  const expected = []
  for (let cohort = 0; cohort < 5; cohort += 1) {
    for (let after = 1; after <= 5; after += 1) {
      table.bitOp('AND', 'tmp', [`signup:${cohort}`, `back:${cohort + after - 1}`]).bitCount('tmp')
      expected.push(intersection([signups[cohort], active[cohort + after - 1]]).size)
    }
  }
  assert.deepEqual((await table.exec()).filter((_, at) => at % 2 === 1), expected)
}

async function featureFlags(client) {
  const next = source(24)
  const share = Array.from({ length: 100_000 }, next)
  const multi = client.multi()
  share.forEach((value, user) => multi.setBit('flag', user, value < 0.4 ? 1 : 0))
  assert.equal((await multi.execAsPipeline()).length, 100_000)
  const enabled = new Set([...share.keys()].filter((user) => share[user] < 0.4))
  sameSet(members(await bytes(client, 'flag')), enabled)
  assert.equal(await client.bitCount('flag', { start: 500, end: 9999, mode: 'BIT' }), [...enabled].filter((user) => user >= 500 && user <= 9999).length)
  assert.equal(await client.bitPos('flag', 1), Math.min(...enabled))
  assert.equal(await client.getBit('flag', 77_777), Number(enabled.has(77_777)))
}

async function permissionsAndCounters(client) {
  const operations = Array.from({ length: 50 }, (_, user) => ({ operation: 'SET', encoding: 'u8', offset: `#${user}`, value: user }))
  assert.deepEqual(await client.bitField('roles', operations), Array(50).fill(0))
  assert.deepEqual(await client.bitFieldRo('roles', [{ encoding: 'u8', offset: '#49' }, { encoding: 'u1', offset: 3 * 8 + 7 }]), [49, 1])
  const failing = [
    { operation: 'OVERFLOW', behavior: 'FAIL' },
    { operation: 'INCRBY', encoding: 'u8', offset: '#1', increment: 255 },
    { operation: 'OVERFLOW', behavior: 'SAT' },
    { operation: 'INCRBY', encoding: 'u8', offset: '#1', increment: 255 },
  ]
  assert.deepEqual(await client.bitField('roles', failing), [null, 255])
}

async function intersections(client) {
  const [a, b, c] = visitors(25, 3, 20_000, 0.3)
  for (const [key, users] of Object.entries({ a, b, c })) {
    const whole = Buffer.alloc(2500)
    users.forEach((user) => (whole[user >> 3] |= 0x80 >> user % 8))
    await client.set(key, whole)
  }
  const expected = {
    AND: intersection([a, b, c]),
    DIFF: difference(a, union([b, c])),
    DIFF1: difference(union([b, c]), a),
    ANDOR: intersection([a, union([b, c])]),
    ONE: new Set([...union([a, b, c])].filter((user) => a.has(user) + b.has(user) + c.has(user) === 1)),
  }
  for (const [operation, users] of Object.entries(expected)) {
    await client.bitOp(operation, 'result', ['a', 'b', 'c'])
    assert.equal(await client.bitCount('result'), users.size)
    sameSet(members(await bytes(client, 'result')), users)
  }
}

async function presence(client) {
  const others = await Promise.all(Array.from({ length: 8 }, () => connect(3)))
  const online = visitors(26, 8, 4000, 0.2)
  await Promise.all(others.map((other, at) => Promise.all([...online[at]].map((user) => other.setBit('online', user, 1)))))
  sameSet(members(await bytes(client, 'online')), union(online))
  await Promise.all(others.map((other) => other.close()))
}

async function watch(client, RESP) {
  const other = await connect(RESP)
  await client.watch('guarded')
  await other.set('guarded', 'changed')
  await assert.rejects(client.multi().set('guarded', 'mine').exec(), { name: 'Error', message: /watched keys has been changed/ })
  assert.equal(await client.get('guarded'), 'changed')
  await other.close()
}

async function stringsKeysAndErrors(client) {
  assert.equal(await client.set('k', 'v', { condition: 'NX', expiration: { type: 'EX', value: 100 } }), 'OK')
  assert.equal(await client.set('k', 'v', { condition: 'NX' }), null)
  await client.mSet({ a: '1', b: '2' })
  assert.deepEqual(await client.mGet(['a', 'b', 'missing']), ['1', '2', null])
  assert.equal(await client.getRange('k', 0, -1), 'v')
  assert.equal(Number(await client.incrByFloat('a', 0.25)), 1.25)
  await Promise.all(Array.from({ length: 200 }, (_, number) => client.set(`scan:${number}`, 'x')))
  const seen = new Set()
  for await (const keys of client.scanIterator({ MATCH: 'scan:*', COUNT: 20 })) [keys].flat().forEach((key) => seen.add(key))
  assert.equal(seen.size, 200)
  assert.equal(await client.type('scan:1'), 'string')
  await assert.rejects(client.setBit('k', -1, 1), { message: 'ERR bit offset is not an integer or out of range' })
  await assert.rejects(client.sendCommand(['BITPOS', 'k', '2']), { message: 'ERR The bit argument must be 1 or 0.' })
  assert.match(await client.info('server'), /redis_version:8\.2\.3\r\n/)
  assert.equal((await client.configGet('databases')).databases, '16')
  await client.clientSetName('dashboard')
  assert.equal((await client.clientInfo()).name, 'dashboard')
  assert.equal(await client.ping(), 'PONG')
}

async function messages(client, RESP) {
  const listener = await connect(RESP)
  const heard = []
  await listener.subscribe('visits', (message, channel) => heard.push([channel, message]))
  await listener.pSubscribe('vis*', (message, channel) => heard.push([`*${channel}`, message]))
  await listener.sSubscribe('shard', (message, channel) => heard.push([`!${channel}`, message]))
  if (RESP === 3) assert.equal(await listener.get('x'), null) // no restrictions there
  assert.equal(await client.publish('visits', 'one'), 2)
  assert.equal(await client.sPublish('shard', 'two'), 1)
  for (let tries = 0; heard.length < 3 && tries < 500; tries += 1) await new Promise((resolve) => setTimeout(resolve, 10))
  assert.deepEqual(heard, [['visits', 'one'], ['*visits', 'one'], ['!shard', 'two']])
  assert.deepEqual({ ...(await client.pubSubNumSub(['visits', 'x'])) }, { visits: 1, x: 0 })
  await listener.unsubscribe()
  await listener.pUnsubscribe()
  await listener.sUnsubscribe()
  assert.deepEqual(await client.pubSubChannels(), [])
  await listener.close()
}

async function main() {
  const jobs = { activeUsers, retention, featureFlags, permissionsAndCounters, intersections, presence, watch, messages, stringsKeysAndErrors }
  let failed = 0
  for (const RESP of [2, 3]) {
    const client = await connect(RESP)
    const fresh = (job) => async () => {
      await client.flushAll()
      await job(client, RESP)
    }
    failed += await runJobs(Object.entries(jobs).map(([name, job]) => [`${name} RESP${RESP}`, fresh(job)]))
    await client.flushAll()
    await client.close()
  }
  process.exit(failed ? 1 : 0)
}

main()
