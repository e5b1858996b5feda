/** The videos in view: what is done with one is done with all of them, while they are played together. */

const FRAMES_A_SECOND = 25;

class VideoGroup {
  private readonly members = new Map<HTMLVideoElement, number | null>();
  private leader: HTMLVideoElement | null = null;

  /** Joins until the returned function is called. `fps` is null where nothing says. */
  join(video: HTMLVideoElement, fps: number | null, isTogether: () => boolean): () => void {
    this.members.set(video, fps);
    const lead = (act: (other: HTMLVideoElement) => void) => () => {
      // What the leader does to the others is not theirs.
      if (!isTogether() || (this.leader !== null && this.leader !== video)) return;
      this.leader = video;
      for (const other of this.members.keys()) if (other !== video) act(other);
      setTimeout(() => (this.leader = null));
    };
    const to = (other: HTMLVideoElement) => {
      const time = Math.min(video.currentTime, other.duration || 0);
      if (Math.abs(other.currentTime - time) > 0.05) other.currentTime = time;
    };
    const listeners = {
      // A browser may refuse: then the video stands still, as one sees.
      play: lead((other) => (to(other), void other.play().catch(() => undefined))),
      pause: lead((other) => (other.pause(), to(other))),
      seeking: lead(to),
      ratechange: lead((other) => (other.playbackRate = video.playbackRate)),
    };
    for (const [name, listener] of Object.entries(listeners)) video.addEventListener(name, listener);
    return () => {
      for (const [name, listener] of Object.entries(listeners)) video.removeEventListener(name, listener);
      this.members.delete(video);
    };
  }

  /** One frame on, or back. */
  stepFrame(video: HTMLVideoElement, by: 1 | -1): void {
    const fps = this.members.get(video) ?? FRAMES_A_SECOND;
    video.pause();
    // In the middle of the frame: its begin may be rounded into the one before.
    const frame = Math.floor(video.currentTime * fps + 1e-3) + by;
    video.currentTime = Math.max(0, Math.min((frame + 0.5) / fps, video.duration || 0));
  }
}

export const videos = new VideoGroup();
