const [major, minor] = process.versions.node.split('.').map(Number);

/** Whether this Node.js runs TypeScript as it is. */
export const canRunSources = major > 22 || (major === 22 && minor >= 18);
