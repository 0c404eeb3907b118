// Finding: one thing the doctor has to say.

export interface Finding {
  level: 'error' | 'warning' | 'info';
  what: string;
  fix: string;
}
