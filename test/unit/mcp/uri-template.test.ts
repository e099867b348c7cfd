import { describe, expect, test } from 'vitest'
import { compileTemplate } from '../../../src/mcp/uri-template.ts'

describe('URIs of a template', () => {
  test.each([
    ['notes://{id}', 'notes://7', true],
    ['notes://{id}', 'notes://a%20b', true],
    ['notes://{id}', 'notes://a/b', false],
    ['notes://{id}', 'note://7', false],
    ['test://template/{id}/data', 'test://template/123/data', true],
    ['test://template/{id}/data', 'test://template/1/2/data', false],
    ['test://template/{id}/data', 'test://template//data', true],
    ['file:///{+path}', 'file:///a/b/c.txt', true],
    ['file:///{+path}', 'file:///a/../../etc/passwd', false],
    ['file:///{+path}', 'file:///a/%2e%2e/etc/passwd', false],
    ['file:///{path}', 'file:///..', false],
    ['file:///{+path}', 'file:///a..b/c', true],
    ['file:///{+path}', 'file:///a b', false],
    ['repo://{owner}{/path*}', 'repo://me/a/b', true],
    ['repo://{owner}{/path*}', 'repo://me', true],
    ['repo://{owner}{/path*}', 'repo://me?x', false],
    ['search://q{?text,limit}', 'search://q?text=a&limit=5', true],
    ['search://q{?text,limit}', 'search://q', true],
    ['search://q{?text,limit}', 'search://qtext=a', false],
    ['x://{a}-{b}', 'x://1-2-3', true],
    ['x://{+a}/{b}', 'x://1/2/3', true],
    ['x://{+a}/{b}', 'x://1', false],
    ['x://{a', 'x://{a', false],
    ['x://{}', 'x://', false],
  ])('%s and %s: %s', (template, uri, expected) => {
    const isMatch = compileTemplate(template)(uri)

    expect(isMatch).toBe(expected)
  })

  test('hostile templates and URIs take linear time per part', () => {
    const isMatch = compileTemplate(`x://${'{+a}a'.repeat(30)}b`)
    const started = performance.now()

    isMatch(`x://${'a'.repeat(8_000)}`)

    expect(performance.now() - started).toBeLessThan(500)
  })
})
