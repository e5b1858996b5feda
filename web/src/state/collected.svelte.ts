/** A collection of artifacts and its versions, the newest first, by pages. */
import { getVersions, type CollectionRef } from '../data/artifactApi';
import type { Collection, Version } from '../data/artifacts';
import { merged } from './artifactList';
import { Polled } from './polled.svelte';

export class Collected extends Polled {
  about = $state.raw<Collection | null>(null);
  versions = $state.raw<readonly Version[]>([]);
  /** Of one of a new name that has not become a version there is no collection. */
  readonly isMissing = $derived(this.error?.status === 404);
  /** Whether there are older ones than those. */
  hasMore = $state(false);
  private next: string | null = null;
  private pages = 1;

  constructor(private readonly of: CollectionRef) {
    super();
  }

  protected override async ask(): Promise<void> {
    let [next, versions, unfinished]: [string | null, Version[], Version[]] = [null, [], []];
    // As many pages as somebody has asked to see.
    for (let page = 0; page < this.pages; page++) {
      const answer = await getVersions(this.of, next ?? undefined);
      this.about = answer;
      unfinished = answer.unfinished;
      versions = [...versions, ...answer.list];
      next = answer.next;
      if (next === null) break;
    }
    this.versions = merged(versions, unfinished);
    this.next = next;
    this.hasMore = this.next !== null;
  }

  /** Older versions. */
  async more(): Promise<void> {
    this.pages += 1;
    await this.load();
  }
}
