import { expect, test } from 'vitest';
import { asked, fill } from './template';

const SPEC = {
  title: '${string:title}',
  transform: [{ filter: "datum['${field:y}'] > 0" }],
  encoding: {
    x: { field: '${field:x}', title: '${field:x}' },
    y: { field: '${field:y}', title: '${string:y-title} of ${field:y}' },
  },
};

test('finds what is asked for, each once', () => {
  expect(asked(SPEC)).toEqual({ fields: ['y', 'x'], strings: ['title', 'y-title'] });
});

test('puts columns and texts in place', () => {
  const names = { fields: { x: 'step', y: 'loss' }, strings: { title: 'T', 'y-title': 'log' } };
  expect(fill(SPEC, names)).toEqual({
    title: 'T',
    transform: [{ filter: "datum['loss'] > 0" }],
    encoding: { x: { field: 'step', title: 'step' }, y: { field: 'loss', title: 'log of loss' } },
  });
});

test('a column with dots, brackets and quotes is one name', () => {
  const names = { fields: { x: 'a.b[0]', y: "it's" }, strings: {} };
  const { encoding, transform } = fill(SPEC, names);
  expect(encoding.x).toEqual({ field: 'a\\.b\\[0\\]', title: 'a.b[0]' });
  expect(transform[0]).toEqual({ filter: "datum['it\\'s'] > 0" });
});

test('what has no column stays, what has no text is empty', () => {
  expect(fill(SPEC, { fields: {}, strings: {} })).toEqual({
    title: '',
    transform: [{ filter: "datum['${field:y}'] > 0" }],
    encoding: {
      x: { field: '${field:x}', title: '${field:x}' },
      y: { field: '${field:y}', title: ' of ${field:y}' },
    },
  });
});
