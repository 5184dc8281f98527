import type { JsonObject } from '@holdfast/protocol';
import { continents, getCountryDataList, getEmojiFlag, languages } from 'countries-list';
import { currencies } from 'countries-list/currencies';

/** One value of the sample, and where it goes. */
export type SampleRecord = { readonly path: string; readonly value: JsonObject };

/** The world as records: continents, countries, currencies, languages (npm package countries-list, MIT). */
export function sampleRecords(): readonly SampleRecord[] {
  return [
    ...Object.entries(continents).map(([code, name]) => ({
      path: `continents/${code}`,
      value: { name },
    })),
    ...getCountryDataList().map(({ iso2, ...country }) => ({
      path: `countries/${iso2}`,
      value: withoutGaps({ ...country, iso2, flag: getEmojiFlag(iso2) }),
    })),
    ...Object.entries(currencies).map(([code, currency]) => ({
      path: `currencies/${code}`,
      value: withoutGaps({ ...currency }),
    })),
    ...Object.entries(languages).map(([code, language]) => ({
      path: `languages/${code}`,
      value: withoutGaps({ ...language }),
    })),
  ];
}

type Plain = string | number | boolean | readonly (string | number)[];

/** A record without the members that are not there, and without empty ones. */
function withoutGaps(record: { readonly [field: string]: Plain | undefined }): JsonObject {
  return Object.fromEntries(
    Object.entries(record).flatMap(([field, value]) =>
      value === undefined || value === '' ? [] : [[field, value]],
    ),
  );
}
