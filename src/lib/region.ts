/** Whether a region lies within a pin, which is a region or the front of one: "eu" holds "eu-central-1" and not "europe-west1". */
export function isWithinRegion(region: string | undefined, pin: string): boolean {
  return region !== undefined && (region === pin || region.startsWith(`${pin}-`))
}
