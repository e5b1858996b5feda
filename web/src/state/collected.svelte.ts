/** A collection of artifacts and its versions, the newest first, by pages. */
import { getVersions, type CollectionRef } from '../data/artifactApi';
import type { Collection, Version } from '../data/artifacts';
import { Polled } from './polled.svelte';

export class Collected extends Polled {
  about = $state.raw<Collection | null>(null);
  versions = $state.raw<readonly Version[]>([]);
  /** Whether there are older ones than those. */
  hasMore = $state(false);
  private next: string | null = null;
  private pages = 1;

  constructor(private readonly of: CollectionRef) {
    super();
  }

  protected override async ask(): Promise<void> {
    let [next, versions]: [string | null, Version[]] = [null, []];
    // As many pages as somebody has asked to see.
    for (let page = 0; page < this.pages; page++) {
      const answer = await getVersions(this.of, next ?? undefined);
      this.about = answer;
      versions = [...versions, ...answer.list];
      next = answer.next ?? null;
      if (next === null) break;
    }
    this.versions = versions;
    this.next = next;
    this.hasMore = this.next !== null;
  }

  /** Older versions. */
  async more(): Promise<void> {
    this.pages += 1;
    await this.load();
  }
}
