// The examples in deploy/ as far as they can be tried without containers: the programs that read them accept them, the settings
// that they name exist and have values that the server takes, and ports, names and times agree.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { parse, parseAllDocuments } from 'yaml'
import { freshDatabase } from './support/database.mjs'
import { haproxy } from './support/haproxy.mjs'
import { program, startServer } from './support/server.mjs'
import { secret } from './support/token.mjs'

const run = promisify(execFile)
const root = new URL('../../', import.meta.url)
const path = (file) => fileURLToPath(new URL(file, root))
const read = (file) => readFileSync(path(file), 'utf8')
/** The first thing that a regular expression finds. */
const find = (text, pattern) => pattern.exec(text)?.[1]

const known = new Set([...read('.env.example').matchAll(/^([A-Z_]+)=/gm)].map(([, name]) => name))
const stopSeconds = find(read('.env.example'), /^TUTTI_SHUTDOWN_TIMEOUT_MS=(\d+)/m) / 1000 + 15
const port = Number(find(read('Dockerfile'), /^EXPOSE (\d+)/m))
const user = Number(find(read('Dockerfile'), /^USER (\d+)/m))
const keepAliveSeconds = find(read('.env.example'), /^TUTTI_HTTP_KEEP_ALIVE_MS=(\d+)/m) / 1000

/** The server accepts these settings, with a database of ours in place of the one that is named. */
async function accepts(t, settings) {
  for (const name of Object.keys(settings)) assert.ok(known.has(name), `.env.example has no ${name}`)
  const database = await freshDatabase('postgres')
  t.after(() => database.drop())
  const env = { PATH: process.env.PATH, ...settings, DATABASE_URL: database.url }
  await run(program, ['migrate'], { env, cwd: database.folder })
  // Exits with another code than 0, and so rejects, if anything is wrong.
  const { stdout, stderr } = await run(program, ['check'], { env, cwd: database.folder })
  assert.doesNotMatch(stdout + stderr, /unknown/i)
}

/** As compose fills in what stands in .env. */
const filled = (text) => String(text).replace(/\$\{\w+:?[-?]([^}]*)\}|\$\{\w+\}/g, (_, other) => (other?.startsWith('put') ? secret : (other ?? 'password')))

describe('HAProxy', () => {
  const config = read('deploy/haproxy.cfg')
  const names = (backend) => [...config.split(`\nbackend ${backend}\n`)[1].split('\nbackend ')[0].matchAll(/^ +server (\S+) (\S+)/gm)].map(([, name, at]) => `${name} ${at}`)

  test('accepts the configuration', async () => {
    const { stdout, stderr } = await run(haproxy, ['-c', '-f', path('deploy/haproxy.cfg')])
    // Its servers have no addresses here.
    const warnings = (stdout + stderr).split('\n').filter((line) => line.includes('[WARNING]') && !line.includes('could not resolve address'))
    assert.deepEqual(warnings, [])
  })

  test('knows the servers at the port of the image, and ends connections before they do', () => {
    assert.deepEqual(names('anywhere'), [1, 2, 3].map((n) => `tutti-${n} tutti-${n}:${port}`))
    assert.ok(Number(find(config, /timeout http-keep-alive (\d+)s/)) < keepAliveSeconds)
  })
})

describe('compose', () => {
  const compose = parse(read('deploy/compose.yaml'), { merge: true })
  const servers = Object.entries(compose.services).filter(([name]) => name.startsWith('tutti-'))

  test('has the servers that HAProxy knows, each with settings that the server accepts', async (t) => {
    const config = read('deploy/haproxy.cfg')
    assert.deepEqual(servers.map(([name]) => name), [...new Set([...config.matchAll(/^ +server (\S+)/gm)].map(([, name]) => name))])
    const settings = servers.map(([, { environment }]) => Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, filled(value)])))
    // One database and one key for all.
    assert.equal(new Set(settings.map((all) => JSON.stringify(all))).size, 1)
    await accepts(t, settings[0])
  })

  test('lets a server stop, and gives it nothing that it does not need', () => {
    for (const [name, service] of servers) {
      assert.ok(Number(find(service.stop_grace_period, /^(\d+)s$/)) >= stopSeconds, name)
      assert.deepEqual([service.read_only, service.cap_drop], [true, ['ALL']], name)
      assert.ok(service.security_opt.includes('no-new-privileges:true'), name)
    }
  })

  test('gives HAProxy its configuration, its port, and files enough', () => {
    const { proxy } = compose.services
    const config = read('deploy/haproxy.cfg')
    assert.match(proxy.volumes[0], /^\.\/haproxy\.cfg:/)
    assert.equal(find(proxy.ports[0], /:(\d+)$/), find(config, /^ +bind :(\d+)/m))
    assert.ok(proxy.ulimits.nofile > 2 * Number(find(config, /maxconn (\d+)/)))
    assert.deepEqual(proxy.depends_on, servers.map(([name]) => name))
  })
})

describe('Kubernetes', () => {
  const objects = parseAllDocuments(read('deploy/kubernetes.yaml')).map((document) => {
    assert.deepEqual(document.errors, [])
    return document.toJS()
  })
  const one = (kind) => objects.find((object) => object.kind === kind)
  const { spec } = one('Deployment')
  const pod = spec.template.spec
  const [container] = pod.containers

  test('has settings that the server accepts', async (t) => {
    const value = ({ value, valueFrom }) => value ?? (valueFrom.fieldRef ? 'tutti-5d4f8' : secret)
    await accepts(t, Object.fromEntries(container.env.map((variable) => [variable.name, value(variable)])))
  })

  test('finds its pods and their port', () => {
    const { labels } = spec.template.metadata
    assert.ok(spec.replicas > 1)
    for (const selector of [spec.selector.matchLabels, one('PodDisruptionBudget').spec.selector.matchLabels, one('Service').spec.selector]) {
      assert.deepEqual(selector, labels)
    }
    const [{ name, containerPort }] = container.ports
    assert.equal(containerPort, port)
    const probes = [container.startupProbe, container.readinessProbe, container.livenessProbe]
    assert.deepEqual(probes.map(({ httpGet }) => httpGet.port), [name, name, name])
    assert.equal(one('Service').spec.ports[0].targetPort, name)
    assert.notEqual(one('Service').spec.sessionAffinity, 'ClientIP')
  })

  test('asks for what a server answers', async (t) => {
    const server = await startServer()
    t.after(() => server.close())
    for (const { httpGet } of [container.startupProbe, container.readinessProbe, container.livenessProbe]) {
      assert.equal((await server.fetch(httpGet.path, { as: null })).status, 200, httpGet.path)
    }
    assert.deepEqual([container.readinessProbe.httpGet.path, container.livenessProbe.httpGet.path], ['/readyz', '/healthz'])
  })

  test('lets a server stop, one after another', () => {
    const { maxUnavailable } = one('PodDisruptionBudget').spec
    assert.ok(pod.terminationGracePeriodSeconds > container.lifecycle.preStop.sleep.seconds + stopSeconds)
    assert.deepEqual([maxUnavailable, spec.strategy.rollingUpdate.maxUnavailable], [1, 0])
  })

  test('gives a server nothing that it does not need', () => {
    assert.deepEqual([pod.securityContext.runAsNonRoot, pod.securityContext.runAsUser, pod.automountServiceAccountToken], [true, user, false])
    const { allowPrivilegeEscalation, readOnlyRootFilesystem, capabilities } = container.securityContext
    assert.deepEqual([allowPrivilegeEscalation, readOnlyRootFilesystem, capabilities.drop], [false, true, ['ALL']])
  })
})
