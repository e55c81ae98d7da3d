// A disk that the log of a database can fill: a tablespace on a small file system in memory. Only root can mount one.
import { execFile } from 'node:child_process';
import { mkdtemp, open, rm, rmdir, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type pg from 'pg';

const run = promisify(execFile);

export interface SmallDisk {
  fill(): Promise<void>;
  free(): Promise<void>;
  /** Moves the log back and unmounts the disk. */
  remove(): Promise<void>;
}

/** Moves the log to a file system of 8 MB. @throws unless this process is root on Linux */
export async function smallDisk(pool: pg.Pool): Promise<SmallDisk> {
  const { rows } = await pool.query<{ data_directory: string }>('show data_directory');
  const { uid, gid } = await stat(rows[0]!.data_directory);
  const folder = await mkdtemp(join(tmpdir(), 'reprise-small-'));
  await run('mount', ['-t', 'tmpfs', '-o', `size=8m,mode=0700,uid=${uid},gid=${gid}`, 'tmpfs', folder]);
  await pool.query(`create tablespace small location '${folder}'`);
  await pool.query('alter table reprise.events set tablespace small');
  const ballast = join(folder, 'ballast');
  return {
    async fill() {
      const file = await open(ballast, 'w');
      try {
        for (;;) await file.write(Buffer.alloc(4096));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      } finally {
        await file.close();
      }
    },
    free: () => rm(ballast),
    async remove() {
      await rm(ballast, { force: true });
      await pool.query('alter table reprise.events set tablespace pg_default');
      await pool.query('drop tablespace small');
      await run('umount', [folder]);
      await rmdir(folder);
    },
  };
}
