export {
  Candidate,
  type CandidateEffect,
  type CandidateInput,
  type CandidateView,
  isElectionMessage,
  type ElectionMessage,
  type Leader,
} from './candidate.ts';
