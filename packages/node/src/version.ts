/** Version of this software, as GET /node/version tells it. */
export const softwareVersion = "0.1.0";
