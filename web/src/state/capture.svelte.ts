/** What a run recorded without being asked: its files, and what stands in them. Asked when somebody looks. */
import { getRunFile, getRunFiles, type ProjectRef } from '../data/api';
import type { RunFile } from '../data/types';
import { parseMetadata, type Metadata } from './metadata';
import { Polled } from './polled.svelte';

/** Of a text: whoever wants all of more has to download it. */
const MOST_READ_BYTES = 4 * 2 ** 20;
const METADATA = 'metadata.json';
const REQUIREMENTS = 'requirements.txt';
/** The folder of saved code. */
const CODE = 'code/';
export const PATCH = 'diff.patch';
/** How it differs from a commit that others have as well. */
const UPSTREAM_PATCH = /^diff_([0-9a-f]+)\.patch$/;

/** What one writer recorded. */
export interface Captured {
  writer: string;
  label: string;
  metadata: Metadata | null;
  requirements: string | null;
}

export class Capture extends Polled {
  files = $state.raw<readonly RunFile[]>([]);
  /** Those of which something can be read. */
  private readonly stored = $derived(this.files.filter(({ state }) => state === 'stored'));
  captured = $state.raw<Captured | null>(null);
  /** Of those that recorded something; null for the first of them. */
  private chosen = $state<string | null>(null);
  private held = '';
  private wanted = '';

  /** The writers that recorded something: each may have run on another machine. */
  readonly writers = $derived.by(() => {
    const own = this.stored.filter(({ name }) => name === METADATA || name === REQUIREMENTS);
    return own
      .filter(({ writer }, i) => own.findIndex((other) => other.writer === writer) === i)
      .sort((a, b) => a.label.localeCompare(b.label, 'en', { numeric: true }));
  });
  private readonly writer = $derived(
    this.writers.find(({ writer }) => writer === this.chosen) ?? this.writers[0] ?? null,
  );
  /** Those of the writer that is looked at. */
  readonly requirements = $derived(this.fileOf(REQUIREMENTS));
  readonly patch = $derived(this.fileOf(PATCH));
  readonly code = $derived(
    this.stored.filter(({ name, writer }) => name.startsWith(CODE) && writer === this.writer?.writer),
  );
  readonly upstreamPatches = $derived(
    this.stored.flatMap((file) => {
      const commit = UPSTREAM_PATCH.exec(file.name)?.[1];
      return commit && file.writer === this.writer?.writer ? [{ file, commit }] : [];
    }),
  );

  constructor(
    private readonly ref: ProjectRef,
    private readonly run: string,
  ) {
    super();
    this.status = 'idle';
  }

  /** Asks now; what has not changed is not asked again. */
  override load(): Promise<void> {
    if (this.status !== 'ready') this.status = 'loading';
    return super.load();
  }

  /** Asks soon, once it was asked at all. */
  override poke(): void {
    if (this.status !== 'idle') super.poke();
  }

  protected override async ask(): Promise<void> {
    this.files = await getRunFiles(this.ref, this.run);
    await this.read();
  }

  choose(writer: string): void {
    this.chosen = writer;
    void this.load();
  }

  /** The text of a file, or the begin of it. */
  textOf(file: RunFile, most = MOST_READ_BYTES): Promise<string> {
    return getRunFile(this.ref, this.run, file, most);
  }

  private fileOf(name: string): RunFile | null {
    return this.stored.find((file) => file.name === name && file.writer === this.writer?.writer) ?? null;
  }

  private async read(): Promise<void> {
    const { writer } = this;
    if (!writer) return;
    const [metadata, requirements] = [this.fileOf(METADATA), this.fileOf(REQUIREMENTS)];
    const wanted = JSON.stringify([metadata, requirements]);
    if (wanted === this.held) return;
    this.wanted = wanted;
    const [facts, packages] = await Promise.all(
      [metadata, requirements].map((file) => (file ? this.textOf(file) : null)),
    );
    // Another writer was chosen meanwhile.
    if (this.wanted !== wanted) return;
    this.captured = {
      writer: writer.writer,
      label: writer.label,
      metadata: facts ? parseMetadata(facts) : null,
      requirements: packages ?? null,
    };
    this.held = wanted;
  }
}
