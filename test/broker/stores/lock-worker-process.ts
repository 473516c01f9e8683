export {}
export const startLockWorker = 1
