/** The marked moment of a run's page: what the address leaves out of it is asked. */
import { ApiError, getLineAt, getStepAt, type ProjectRef, type StepAsked } from '../data/api';
import type { LogSource, Run, XAxis } from '../data/types';
import { momentX, writeMoment, type Moment } from './moment';

export class Marked {
  /** The moment, with all that is known of it; null for none. */
  moment = $state.raw<Moment | null>(null);
  /** Why the last thing that was asked could not be. */
  error = $state.raw<ApiError | null>(null);
  /** Whose point was marked last: its lines are looked at first. */
  private owner: { at: string; label: string | null } = { at: '', label: null };
  private said = '';

  constructor(
    private readonly ref: ProjectRef,
    private readonly run: string,
  ) {}

  /** Says which moment the address has. */
  async follow(moment: Moment | null): Promise<void> {
    const said = moment ? writeMoment(moment) : '';
    if (said === this.said) return;
    [this.said, this.moment, this.error] = [said, moment, null];
    if (moment && (moment.step === null || moment.wall === null)) {
      const found = await this.whole(moment, {});
      if (found && this.said === said) this.moment = found;
    }
  }

  /** Where the moment lies on an axis of the run; null for none, or while it is not known. */
  on(axis: XAxis, run: Pick<Run, 'relative_zero'> | null): number | null {
    return this.moment && momentX(this.moment, axis, run && run.relative_zero * 1000);
  }

  /** A moment with both its step and its time, which are looked for among what was logged of a key. */
  async whole(moment: Moment, of: Pick<StepAsked, 'key' | 'label'>): Promise<Moment | null> {
    const { step, wall } = moment;
    if (step === null && wall === null) return null;
    const asked = wall === null ? { ...of, step: step as number } : { ...of, wall };
    const found = await this.tried(() => getStepAt(this.ref, this.run, asked));
    return found && { step: wall === null ? found.step : (step ?? found.step), wall: wall ?? found.wall };
  }

  /** Remembers whose point is marked. */
  own(moment: Moment, label: string | null): void {
    this.owner = { at: writeMoment(moment), label };
  }

  /**
   * The number of the line nearest to a moment, and the label that has it: that of the point that was
   * marked, if it has printed something. Null where there is none, or it could not be asked.
   */
  async lineAt(moment: Moment, source: LogSource): Promise<{ number: number; label: string | null } | null> {
    const { wall } = moment;
    if (wall === null) return null;
    const own = this.owner.at === writeMoment(moment) ? this.owner.label : null;
    const labels = [own ?? source.label, source.label, null];
    for (const label of labels.filter((one, i) => labels.indexOf(one) === i)) {
      const found = await this.tried(() => getLineAt(this.ref, this.run, { ...source, label }, wall));
      if (!found) return null;
      if (found.number !== null) return { number: found.number, label };
    }
    return null;
  }

  private async tried<T>(asking: () => Promise<T>): Promise<T | null> {
    try {
      const answer = await asking();
      this.error = null;
      return answer;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.error = error;
      return null;
    }
  }
}
